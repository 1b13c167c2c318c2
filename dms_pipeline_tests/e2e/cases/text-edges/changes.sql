INSERT INTO t VALUES (3,'\\N','\\.','é€','é'),(4,'a\tb\nc\rd\\','emoji 😀','ÿ','😀'),(5,' lead','trail ','x','y');
UPDATE t SET v = NULL WHERE k = 1;
UPDATE t SET v = '' WHERE k = 2;
