CREATE TABLE default_set (
  k int PRIMARY KEY, a int DEFAULT 5, c int AS (a + DEFAULT(a)) STORED
);
INSERT INTO default_set (k, a) VALUES (1, 1);
CREATE TABLE default_dropped LIKE default_set;
INSERT INTO default_dropped (k, a) VALUES (1, 1);
CREATE TABLE default_modified (
  k int PRIMARY KEY, a int DEFAULT 5, c int AS (a + DEFAULT(a)) VIRTUAL
);
INSERT INTO default_modified (k, a) VALUES (1, 1);
CREATE TABLE other_default LIKE default_set;
ALTER TABLE other_default ADD b int DEFAULT 1;
INSERT INTO other_default (k, a) VALUES (1, 1);
CREATE TABLE default_unused (k int PRIMARY KEY, a int DEFAULT 5, c int AS (a + 1) STORED);
INSERT INTO default_unused (k, a) VALUES (1, 1);
CREATE TABLE without_rows LIKE default_set;
CREATE TABLE scale (k int PRIMARY KEY, d decimal(6, 2), c varchar(20) AS (CONCAT(d, 'x')) STORED);
INSERT INTO scale (k, d) VALUES (1, 1.5);
CREATE TABLE column_charset (
  k int PRIMARY KEY, t varchar(9) CHARACTER SET latin1, c int AS (LENGTH(t)) STORED
);
INSERT INTO column_charset (k, t) VALUES (1, 'é');
CREATE TABLE column_collation (
  k int PRIMARY KEY, t varchar(9) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin, c int AS (t = 'A') STORED
);
INSERT INTO column_collation (k, t) VALUES (1, 'a');
CREATE TABLE table_charset (
  k int PRIMARY KEY, t varchar(9), c int AS (LENGTH(t)) VIRTUAL
) DEFAULT CHARSET latin1;
INSERT INTO table_charset (k, t) VALUES (1, 'é');
CREATE TABLE made_plain_later LIKE default_set;
INSERT INTO made_plain_later (k, a) VALUES (1, 1);
CREATE TABLE made_plain_at_once LIKE default_set;
INSERT INTO made_plain_at_once (k, a) VALUES (1, 1);
CREATE TABLE widened (
  k int PRIMARY KEY, i int, u int unsigned, d decimal(6, 2), t varchar(3) CHARACTER SET utf8mb4,
  e enum('a', 'b') CHARACTER SET utf8mb4, b varbinary(3),
  ci varchar(20) AS (CONCAT(i, '/', u)) STORED, cd varchar(20) AS (CONCAT(d, '/', d / 3)) STORED,
  ct varchar(20) AS (CONCAT(t, HEX(t))) STORED, ce varchar(20) AS (CONCAT(e, e + 0)) STORED,
  cb varchar(20) AS (HEX(b)) STORED
);
INSERT INTO widened (k, i, u, d, t, e, b) VALUES (1, -1, 7, 1.5, 'é ', 'b', 'xy'), (2, 0, 0, -0.01, '', 'a', '');
