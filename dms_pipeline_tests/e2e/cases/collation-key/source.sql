CREATE TABLE t (k varchar(20) COLLATE utf8mb4_general_ci PRIMARY KEY, v int);
INSERT INTO t VALUES ('a',1),('Resume',2),('b',3);
