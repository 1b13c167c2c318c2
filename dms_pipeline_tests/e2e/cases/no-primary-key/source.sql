CREATE TABLE t (a int, b varchar(9));
INSERT INTO t VALUES (1,'x'),(1,'x'),(1,'x'),(NULL,NULL),(NULL,NULL),(2,'y');
