CREATE TABLE t (k int PRIMARY KEY, a int, b int);
INSERT INTO t VALUES (1,1,1);
