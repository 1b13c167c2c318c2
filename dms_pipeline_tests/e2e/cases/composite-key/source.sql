CREATE TABLE t (b varchar(5), a int, v int, PRIMARY KEY (b, a));
INSERT INTO t VALUES ('x',1,1),('x',2,2),('y',1,3);
