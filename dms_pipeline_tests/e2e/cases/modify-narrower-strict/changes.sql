SET sql_mode = 'STRICT_ALL_TABLES';
ALTER TABLE fits
  MODIFY v varchar(3), MODIFY t varchar(3), MODIFY m tinytext, MODIFY b varbinary(9), MODIFY n tinyint,
  MODIFY s timestamp NOT NULL DEFAULT CURRENT_TIMESTAMP, MODIFY c char(4);
ALTER TABLE blank
  MODIFY v varchar(3), MODIFY t varchar(3), MODIFY m tinytext, MODIFY b varbinary(9), MODIFY n tinyint,
  MODIFY s timestamp NOT NULL DEFAULT CURRENT_TIMESTAMP, MODIFY c char(4);
ALTER TABLE line_end
  MODIFY v varchar(3), MODIFY t varchar(3), MODIFY m tinytext, MODIFY b varbinary(9), MODIFY n tinyint,
  MODIFY s timestamp NOT NULL DEFAULT CURRENT_TIMESTAMP, MODIFY c char(4);
ALTER TABLE many_bytes MODIFY m tinytext;
ALTER TABLE no_time
  MODIFY v varchar(3), MODIFY t varchar(3), MODIFY m tinytext, MODIFY b varbinary(9), MODIFY n tinyint,
  MODIFY s timestamp NOT NULL DEFAULT CURRENT_TIMESTAMP, MODIFY c char(4);
ALTER TABLE hard_blank MODIFY t char(3) CHARACTER SET latin1;
INSERT INTO fits VALUES (3, 'abc', 'abc', 'é', 'y', 1, DEFAULT, 'x');
SET sql_mode = 'STRICT_ALL_TABLES,PAD_CHAR_TO_FULL_LENGTH';
ALTER TABLE padded MODIFY c varchar(9);
ALTER TABLE padded_null MODIFY v varchar(30), MODIFY c char(12);
