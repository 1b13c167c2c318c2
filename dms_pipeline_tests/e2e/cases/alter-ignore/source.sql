CREATE TABLE t (k int PRIMARY KEY, v varchar(10));
INSERT INTO t VALUES (1, 'a'), (2, 'a');
CREATE TABLE long_key (k int PRIMARY KEY, v blob);
INSERT INTO long_key VALUES (1, 'a'), (2, 'a');
