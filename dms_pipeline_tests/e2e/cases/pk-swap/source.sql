CREATE TABLE t (k int PRIMARY KEY, v varchar(9));
INSERT INTO t VALUES (1,'one'),(-1,'minus'),(2,'two');
