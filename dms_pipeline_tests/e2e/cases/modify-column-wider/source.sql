CREATE TABLE t (k int PRIMARY KEY, a smallint, b varchar(5), d decimal(5,2));
INSERT INTO t VALUES (1,1,'abc',1.25);
