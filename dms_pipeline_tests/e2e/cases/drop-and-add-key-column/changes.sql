ALTER TABLE moved DROP a, ADD a char(4);
INSERT INTO moved VALUES (2, 8, 'x'), (5, 9, 'x');
ALTER TABLE in_place DROP COLUMN a, ADD COLUMN A int unsigned FIRST;
INSERT INTO in_place VALUES (7, 2, 9), (8, 5, 9);
UPDATE in_place SET c = 0 WHERE b = 2;
ALTER TABLE whole_key DROP a, ADD a int FIRST;
INSERT INTO whole_key VALUES (7, 9);
UPDATE whole_key SET c = 1 WHERE a = 0;
