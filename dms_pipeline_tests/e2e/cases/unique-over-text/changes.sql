INSERT INTO t VALUES (3,REPEAT('z',5000),'z'),(4,'','');
UPDATE t SET a = 'changed' WHERE k = 1;
DELETE FROM t WHERE k = 2;
UPDATE n SET v = 3 WHERE a = 'x';
DELETE FROM n WHERE a = 'y';
INSERT INTO later VALUES (2,'y');
ALTER TABLE later ADD UNIQUE (a);
