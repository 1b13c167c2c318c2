CREATE TABLE t (k int PRIMARY KEY, a varchar(10), b int unsigned, c enum('x','y'), d decimal(6,2), e binary(3), f bit(5)) DEFAULT CHARSET latin1;
INSERT INTO t VALUES (1,'é',4294967295,'x',1.25,'a',5);
