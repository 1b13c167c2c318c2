CREATE TABLE t (k int PRIMARY KEY, a decimal(8,2), b varchar(5));
CREATE TABLE u (k int PRIMARY KEY, a int);
