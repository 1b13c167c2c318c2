CREATE TABLE t (k int PRIMARY KEY, d date, dt datetime(6), ts timestamp NULL);
INSERT INTO t VALUES (1,'0000-00-00','0000-00-00','0000-00-00'),(2,'2024-02-30','2024-00-10','2024-01-01');
CREATE TABLE first_fractions (k int PRIMARY KEY, ts timestamp(6) NULL, tenth timestamp(1) NULL);
