UPDATE t SET e = 'x\\y' WHERE id = 1;
INSERT INTO t VALUES (5, 'no such label', 'p'), (6, 3, 7);
