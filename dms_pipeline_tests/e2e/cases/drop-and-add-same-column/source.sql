CREATE TABLE t (k int PRIMARY KEY, v decimal(9,4), w int);
INSERT INTO t VALUES (1,1.5,1);
