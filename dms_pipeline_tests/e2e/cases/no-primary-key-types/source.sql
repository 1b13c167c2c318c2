CREATE TABLE t (f double, g float, d decimal(10,3), x blob, s datetime(3), e enum('a','b'), b bit(1), t text);
INSERT INTO t VALUES (0.1,0.1,1.5,X'00FF','2024-01-01 00:00:00.123','a',1,'x\ty\\n'),(-0.0,1e10,-0.001,'','1000-01-01','b',0,''),(NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL);
