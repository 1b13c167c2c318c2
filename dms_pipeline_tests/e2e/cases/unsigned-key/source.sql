CREATE TABLE t (k int unsigned PRIMARY KEY, s tinyint unsigned, v bigint unsigned);
INSERT INTO t VALUES (4294967295,255,1),(2147483648,128,2),(0,0,3);
