CREATE TABLE t (k int PRIMARY KEY, a int, b varchar(10), c int);
INSERT INTO t VALUES (1,1,'x',1);
