INSERT INTO t VALUES (2,'x','q');
ALTER TABLE t MODIFY e enum('y','x'), MODIFY s set('q','p','r');
INSERT INTO t VALUES (3,'y','r');
UPDATE t SET e = 'y' WHERE k = 1;
