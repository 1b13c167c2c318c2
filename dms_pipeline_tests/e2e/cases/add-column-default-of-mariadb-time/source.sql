CREATE TABLE t (k int PRIMARY KEY);
INSERT INTO t VALUES (1);
CREATE TABLE in_parentheses (k int PRIMARY KEY);
INSERT INTO in_parentheses VALUES (1);
CREATE TABLE too_precise (k int PRIMARY KEY);
INSERT INTO too_precise VALUES (1);
