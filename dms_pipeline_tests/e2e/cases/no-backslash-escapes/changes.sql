SET sql_mode = 'NO_BACKSLASH_ESCAPES,ANSI_QUOTES';
ALTER TABLE "t" ADD "w" varchar(30) DEFAULT 'a\' COMMENT ', DROP COLUMN v, ADD x int COMMENT ', ADD y varchar(9) DEFAULT '\';
INSERT INTO t VALUES (2,2,'\','z');
ALTER TABLE t ADD `name\n` int, ADD "other\\name" int;
SET sql_mode = 'ANSI_QUOTES';
CREATE TABLE "new\t" ("k\n" int PRIMARY KEY, `v\\` int, "it's" varchar(9) DEFAULT 'a\\b');
ALTER TABLE "new\t" ADD "say ""x""" varchar(9) DEFAULT 'c\'d' AFTER "k\n";
INSERT INTO "new\t" VALUES (1, 'say', 2, 'it');
