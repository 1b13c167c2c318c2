CREATE TABLE t (k enum('b','a','c,d'), s set('x','y'), v int, PRIMARY KEY (k, s));
INSERT INTO t VALUES ('a','x',1),('c,d','x,y',2),('b','',3);
