CREATE TABLE t (k int PRIMARY KEY, v varchar(200));
CREATE TABLE digits (d int PRIMARY KEY);
INSERT INTO digits VALUES (0),(1),(2),(3),(4),(5),(6),(7),(8),(9);
