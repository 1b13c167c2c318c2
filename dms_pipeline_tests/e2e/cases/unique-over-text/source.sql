CREATE TABLE t (k int PRIMARY KEY, a text, b blob, UNIQUE (a), UNIQUE (b));
CREATE TABLE n (a text NOT NULL, v int, UNIQUE (a));
CREATE TABLE later (k int PRIMARY KEY, a varchar(3000));
INSERT INTO t VALUES (1,'x','y'),(2,NULL,NULL);
INSERT INTO n VALUES ('x',1),('y',2);
INSERT INTO later VALUES (1,'x');
