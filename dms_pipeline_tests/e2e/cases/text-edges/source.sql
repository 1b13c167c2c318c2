CREATE TABLE t (k int PRIMARY KEY, v varchar(100), x text, l varchar(50) CHARACTER SET latin1, u varchar(20) CHARACTER SET utf16);
INSERT INTO t VALUES (1,'','', '', ''),(2,NULL,NULL,NULL,NULL);
