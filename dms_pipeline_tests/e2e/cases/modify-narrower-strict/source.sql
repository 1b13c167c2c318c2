CREATE TABLE fits (
  k int PRIMARY KEY, v varchar(20), t text, m mediumtext, b blob, n bigint, s timestamp NULL, c char(9)
) DEFAULT CHARSET utf8mb4;
INSERT INTO fits VALUES
  (1, 'ab ', 'abc', 'é ', 'x', -128, '2024-01-01', 'ab'), (2, NULL, NULL, NULL, NULL, NULL, '2024-01-02', NULL);
CREATE TABLE blank LIKE fits;
INSERT INTO blank (k, s, t) VALUES (1, '2024-01-01', 'abc  ');
CREATE TABLE line_end LIKE fits;
INSERT INTO line_end (k, s, t) VALUES (1, '2024-01-01', 'abc\r\n');
CREATE TABLE hard_blank (k int PRIMARY KEY, t text CHARACTER SET latin1);
INSERT INTO hard_blank VALUES (1, CONCAT('abc', _latin1 x'A0'));
CREATE TABLE many_bytes (k int PRIMARY KEY, m varchar(300)) DEFAULT CHARSET utf8mb4;
INSERT INTO many_bytes VALUES (1, CONCAT(REPEAT('é', 127), '   '));
CREATE TABLE no_time LIKE fits;
INSERT INTO no_time (k, s) VALUES (1, NULL);
CREATE TABLE padded LIKE fits;
INSERT INTO padded (k, s, c) VALUES (1, '2024-01-01', 'ab');
CREATE TABLE padded_null LIKE fits;
INSERT INTO padded_null (k, s, c) VALUES (1, '2024-01-01', NULL);
