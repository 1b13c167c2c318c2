CREATE TABLE refused (k int PRIMARY KEY, ctid int, v int);
INSERT INTO refused VALUES (1,1,1);
ALTER TABLE refused MODIFY v bigint;
INSERT INTO refused VALUES (2,2,2);
ALTER TABLE refused ADD COLUMN w int;
ALTER TABLE refused DROP COLUMN v;
UPDATE t SET v = 2;
