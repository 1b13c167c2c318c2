CREATE TABLE t (id int PRIMARY KEY, e enum('a,b','it''s','','x\\y'), s set('p','q r','z'));
INSERT INTO t VALUES (1,'a,b','p,z'),(2,'it''s',''),(3,'','q r'),(4,NULL,NULL);
