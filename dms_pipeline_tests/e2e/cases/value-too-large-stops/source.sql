CREATE TABLE t (k int PRIMARY KEY, u bigint unsigned);
