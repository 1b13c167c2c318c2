CREATE TABLE t (k double PRIMARY KEY, v int);
INSERT INTO t VALUES (0.1,1),(-0.0,2),(1e300,3),(1.5,4);
