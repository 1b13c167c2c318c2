CREATE TABLE fits (
  k int PRIMARY KEY, v varchar(20), t text, d decimal(12,4), b blob, w varchar(9), l varchar(9), n bigint
) DEFAULT CHARSET utf8mb4;
INSERT INTO fits VALUES (1, 'é😀 ', 'ten bytes', 999.99, 'x', 'é', 'abc', -128), (2, NULL, '', -999.9900, '', '', '', 127);
CREATE TABLE too_long LIKE fits;
INSERT INTO too_long SELECT * FROM fits;
INSERT INTO too_long (k, v) VALUES (3, 'éééé');
CREATE TABLE too_large LIKE fits;
INSERT INTO too_large (k, d) VALUES (1, 1000);
CREATE TABLE too_exact LIKE fits;
INSERT INTO too_exact (k, d) VALUES (1, 0.001);
CREATE TABLE too_wide LIKE fits;
INSERT INTO too_wide (k, w) VALUES (1, '😀');
CREATE TABLE not_ascii LIKE fits;
INSERT INTO not_ascii (k, l) VALUES (1, 'Ж');
CREATE TABLE too_many_bytes LIKE fits;
INSERT INTO too_many_bytes (k, b) VALUES (1, REPEAT('x', 256));
