CREATE TABLE t (k int PRIMARY KEY, e enum('a', 'bb'), s set('c', 'd'));
ALTER TABLE t CONVERT TO CHARACTER SET utf16;
INSERT INTO t VALUES (1, NULL, NULL);
CREATE TABLE whole (k int PRIMARY KEY, e enum('a', 'bb'), s set('cc', 'dd'));
ALTER TABLE whole CONVERT TO CHARACTER SET utf16;
INSERT INTO whole VALUES (1, 2, 3);
