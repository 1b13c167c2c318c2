CREATE TABLE t (k int PRIMARY KEY, a int, b int, c varchar(5));
INSERT INTO t VALUES (1,1,10,'x');
