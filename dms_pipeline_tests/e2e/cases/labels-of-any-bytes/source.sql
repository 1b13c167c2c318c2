SET character_set_connection = binary;
CREATE TABLE t (k int PRIMARY KEY, e enum('a', 'é😀', 0xFF) CHARACTER SET binary);
INSERT INTO t VALUES (1, 'a');
