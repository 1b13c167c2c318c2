ALTER TABLE t CHANGE b c enum('a','b'), ADD COLUMN b text, MODIFY b varchar(40) NOT NULL; INSERT INTO t VALUES (2, 'a', 'text');
