BEGIN;
INSERT INTO t SELECT a.d + 10*b.d + 100*c.d + 1000*e.d, REPEAT('x', 150) FROM digits a, digits b, digits c, digits e;
UPDATE t SET v = CONCAT('u', k) WHERE k % 3 = 0;
UPDATE t SET k = -k WHERE k % 7 = 0 AND k > 0;
DELETE FROM t WHERE k % 11 = 0;
COMMIT;
INSERT INTO t VALUES (1000000, 'after');
