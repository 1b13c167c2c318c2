CREATE TABLE renamed_before (k int PRIMARY KEY, a int DEFAULT 5, c int AS (a + DEFAULT(a)) STORED);
INSERT INTO renamed_before (k, a) VALUES (1, 1);
CREATE TABLE renamed_later LIKE renamed_before;
INSERT INTO renamed_later (k, a) VALUES (1, 1);
CREATE TABLE renamed_at_once LIKE renamed_before;
INSERT INTO renamed_at_once (k, a) VALUES (1, 1);
CREATE TABLE renamed_and_plain_later LIKE renamed_before;
INSERT INTO renamed_and_plain_later (k, a) VALUES (1, 1);
CREATE TABLE only_renamed LIKE renamed_before;
INSERT INTO only_renamed (k, a) VALUES (1, 1);
CREATE TABLE taken_over LIKE renamed_before;
INSERT INTO taken_over (k, a) VALUES (1, 1);
CREATE TABLE text_of_bytes (
  k int PRIMARY KEY, b tinyblob, c varchar(20) CHARACTER SET utf8mb4 AS (CONCAT(b, b)) VIRTUAL
) DEFAULT CHARSET utf8mb4;
INSERT INTO text_of_bytes (k, b) VALUES (1, x'01FF41');
