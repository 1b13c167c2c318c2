CREATE TABLE t (k int PRIMARY KEY, e enum('x'), s set('p','q'));
INSERT INTO t VALUES (1,'x','p'), (4,'x','p,q'), (5,NULL,NULL), (6,'x','');
