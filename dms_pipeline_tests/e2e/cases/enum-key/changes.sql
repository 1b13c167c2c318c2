UPDATE t SET k = 'b' WHERE v = 1;
UPDATE t SET s = 'y' WHERE v = 2;
DELETE FROM t WHERE v = 3;
