ALTER TABLE t ADD (a int DEFAULT 1, b varchar(5) DEFAULT 'x,y');
INSERT INTO t VALUES (2,2,'b');
