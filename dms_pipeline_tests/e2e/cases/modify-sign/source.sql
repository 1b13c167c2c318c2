CREATE TABLE t (k int PRIMARY KEY, v int unsigned, w tinyint unsigned);
INSERT INTO t VALUES (1,4294967295,255);
