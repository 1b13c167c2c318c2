CREATE TABLE t (k int PRIMARY KEY, u bigint unsigned);
CREATE TABLE other (k int PRIMARY KEY);
