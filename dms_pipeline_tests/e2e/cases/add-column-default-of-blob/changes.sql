ALTER TABLE t ADD a blob DEFAULT '1', ADD b varbinary(9) DEFAULT '1';
ALTER TABLE wide ADD a blob DEFAULT '1';
ALTER TABLE u ADD a varbinary(9) DEFAULT '1', ADD b blob DEFAULT x'41', ADD c binary(3) DEFAULT 'x', ADD d varchar(9) DEFAULT 'y', ADD e varchar(9) DEFAULT 12;
