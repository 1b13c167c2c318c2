UPDATE t SET v = 10 WHERE k = 'a';
UPDATE t SET k = 'c  ' WHERE k = 'b';
DELETE FROM t WHERE k = '';
