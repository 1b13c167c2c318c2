CREATE TABLE t (k char(8) PRIMARY KEY, v int);
INSERT INTO t VALUES ('a ',1),('b',2),('',3);
