CREATE TABLE t (k int PRIMARY KEY, a time, b time(6));
INSERT INTO t VALUES (1,'838:59:59','-838:59:59');
