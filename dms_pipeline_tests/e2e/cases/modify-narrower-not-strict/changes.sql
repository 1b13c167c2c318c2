ALTER TABLE fits MODIFY v varchar(3), MODIFY t tinytext, MODIFY d decimal(5,2), MODIFY b tinyblob,
  MODIFY w varchar(9) CHARACTER SET utf8mb3, MODIFY l varchar(9) CHARACTER SET latin1, MODIFY n tinyint;
ALTER TABLE too_long MODIFY v varchar(3), MODIFY t tinytext, MODIFY d decimal(5,2), MODIFY b tinyblob,
  MODIFY w varchar(9) CHARACTER SET utf8mb3, MODIFY l varchar(9) CHARACTER SET latin1, MODIFY n tinyint;
ALTER TABLE too_large MODIFY v varchar(3), MODIFY t tinytext, MODIFY d decimal(5,2), MODIFY b tinyblob,
  MODIFY w varchar(9) CHARACTER SET utf8mb3, MODIFY l varchar(9) CHARACTER SET latin1, MODIFY n tinyint;
ALTER TABLE too_exact MODIFY v varchar(3), MODIFY t tinytext, MODIFY d decimal(5,2), MODIFY b tinyblob,
  MODIFY w varchar(9) CHARACTER SET utf8mb3, MODIFY l varchar(9) CHARACTER SET latin1, MODIFY n tinyint;
ALTER TABLE too_wide MODIFY v varchar(3), MODIFY t tinytext, MODIFY d decimal(5,2), MODIFY b tinyblob,
  MODIFY w varchar(9) CHARACTER SET utf8mb3, MODIFY l varchar(9) CHARACTER SET latin1, MODIFY n tinyint;
ALTER TABLE not_ascii MODIFY v varchar(3), MODIFY t tinytext, MODIFY d decimal(5,2), MODIFY b tinyblob,
  MODIFY w varchar(9) CHARACTER SET utf8mb3, MODIFY l varchar(9) CHARACTER SET latin1, MODIFY n tinyint;
ALTER TABLE too_many_bytes MODIFY v varchar(3), MODIFY t tinytext, MODIFY d decimal(5,2), MODIFY b tinyblob,
  MODIFY w varchar(9) CHARACTER SET utf8mb3, MODIFY l varchar(9) CHARACTER SET latin1, MODIFY n tinyint;
INSERT INTO fits VALUES (3, 'abc', 'é', 1.5, 'y', 'é', 'é', 1);
