SET sql_mode = 'STRICT_TRANS_TABLES';
ALTER TABLE t ADD a datetime, ADD b decimal(5,2), ADD c timestamp NULL;
UPDATE t SET a = '2020-01-02 03:04:05', b = 1.5, c = a WHERE k = 2;
DELETE FROM t WHERE k = 1;
INSERT INTO t (k) VALUES (3);
UPDATE t SET a = '2020-01-02 03:04:05', b = 2.5, c = a WHERE k = 3;
ALTER TABLE t CHANGE a a datetime NOT NULL, CHANGE b b decimal(5,2) NOT NULL, CHANGE c c timestamp NOT NULL;
