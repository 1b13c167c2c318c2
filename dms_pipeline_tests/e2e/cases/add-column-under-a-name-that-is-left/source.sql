CREATE TABLE t (k int PRIMARY KEY, b enum('a','b'));
INSERT INTO t VALUES (1, 'b');
