SET SESSION binlog_format = STATEMENT;
INSERT INTO t VALUES (1);
SET SESSION binlog_format = ROW;
