ALTER TABLE default_set ALTER a SET DEFAULT 6;
ALTER TABLE default_dropped ALTER COLUMN a SET DEFAULT NULL;
ALTER TABLE default_modified MODIFY a int DEFAULT 7;
ALTER TABLE other_default ALTER b SET DEFAULT 2;
ALTER TABLE other_default MODIFY b int DEFAULT 3;
INSERT INTO other_default (k) VALUES (2);
ALTER TABLE default_unused ALTER a SET DEFAULT 6;
ALTER TABLE default_unused MODIFY a int DEFAULT 7;
INSERT INTO default_unused (k) VALUES (2);
ALTER TABLE without_rows ALTER a SET DEFAULT 6;
INSERT INTO without_rows (k) VALUES (1);
ALTER TABLE scale MODIFY d decimal(6, 3);
ALTER TABLE column_charset MODIFY t varchar(9) CHARACTER SET utf8mb4;
ALTER TABLE column_collation MODIFY t varchar(9) CHARACTER SET utf8mb4 COLLATE utf8mb4_general_ci;
ALTER TABLE table_charset CONVERT TO CHARACTER SET utf8mb4;
ALTER TABLE made_plain_later ALTER a SET DEFAULT 6;
ALTER TABLE made_plain_later MODIFY c int;
ALTER TABLE made_plain_at_once MODIFY a int DEFAULT 6, MODIFY c int;
INSERT INTO made_plain_at_once (k, c) VALUES (2, 3);
ALTER TABLE widened MODIFY i bigint, MODIFY u bigint unsigned, MODIFY d decimal(9, 2),
  MODIFY t varchar(9) CHARACTER SET utf8mb4, MODIFY e enum('a', 'b', 'c') CHARACTER SET utf8mb4,
  MODIFY b varbinary(9);
INSERT INTO widened (k, i, u, d, t, e, b) VALUES (3, 1, 2, 3, '4', 'c', '5');
