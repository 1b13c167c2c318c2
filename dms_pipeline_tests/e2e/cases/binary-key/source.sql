CREATE TABLE t (k varbinary(20) PRIMARY KEY, v int);
INSERT INTO t VALUES ('a',1),('A',2),(X'00',3),(X'00FF5C',4);
