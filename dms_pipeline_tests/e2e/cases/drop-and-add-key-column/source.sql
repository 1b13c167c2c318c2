CREATE TABLE moved (a int NOT NULL, b int, c int, PRIMARY KEY (a, b));
INSERT INTO moved VALUES (1, 2, 3), (4, 5, 6);
CREATE TABLE in_place LIKE moved;
INSERT INTO in_place VALUES (1, 2, 3), (4, 5, 6);
CREATE TABLE whole_key (a int PRIMARY KEY, c int);
INSERT INTO whole_key VALUES (1, 2);
