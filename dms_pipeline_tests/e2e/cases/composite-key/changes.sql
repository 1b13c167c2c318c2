UPDATE t SET v = v + 10 WHERE b = 'x';
DELETE FROM t WHERE a = 1 AND b = 'y';
INSERT INTO t VALUES ('y', 1, 9), ('', 0, 0);
UPDATE t SET a = a + 100;
